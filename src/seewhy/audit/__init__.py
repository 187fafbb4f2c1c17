"""Wrong reasons over a folder of photos: what carries the answers, what is suspect of it, and whether it does."""
