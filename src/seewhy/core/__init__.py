"""What every room uses: files written whole, places, progress, catalogues of what has a name."""
