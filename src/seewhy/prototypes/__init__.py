"""ProtoPNet: a classifier that decides by similarity to patches of training pictures, or is refused."""
