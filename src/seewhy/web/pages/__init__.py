"""One file for each page; a file that declares a `PAGE` is one, and the navigation finds it."""
