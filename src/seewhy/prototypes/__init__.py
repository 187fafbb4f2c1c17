"""ProtoPNet: a classifier that decides by likeness to patches of training pictures, or is refused."""
