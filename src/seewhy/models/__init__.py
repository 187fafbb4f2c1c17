"""Classifiers: networks with their preprocessing, class names, layers and embedding."""

from seewhy.images import Box
from seewhy.models.capture import Captured, capture, find_layer
from seewhy.models.categories import Categories, Target, Value, imagenet
from seewhy.models.classifier import Classifier, Prediction, black_box
from seewhy.models.grids import Grid, folded
from seewhy.models.head import Head
from seewhy.models.layers import Layer
from seewhy.models.load import DEFAULT_MODEL, list_models, load
from seewhy.models.preprocessing import Preprocessing

__all__ = [
    "DEFAULT_MODEL",
    "Box",
    "Captured",
    "Categories",
    "Classifier",
    "Grid",
    "Head",
    "Layer",
    "Prediction",
    "Preprocessing",
    "Target",
    "Value",
    "black_box",
    "capture",
    "find_layer",
    "folded",
    "imagenet",
    "list_models",
    "load",
]
