"""What every room uses: the registry, files written whole, names, progress, outcomes."""
