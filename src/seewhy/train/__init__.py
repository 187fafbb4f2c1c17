"""Classifiers fine-tuned from folders of pictures, and how good they are."""

from seewhy.core.callable_room import make_callable

make_callable(__name__)  # `seewhy.train(...)` is the verb, whether or not this package was imported before
