"""Results as pages: one self-contained HTML file each, for people who were not there; a module for each kind."""
