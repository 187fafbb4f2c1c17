"""The network layer by layer: what it found in a picture, how much each finding weighs, and what people call it."""

from seewhy.engines.clustering import CLUSTERINGS, ClassicClustering, Clustering, WardClustering, find_clustering
from seewhy.network.checks import Effect, Link
from seewhy.network.layers import default_layers
from seewhy.network.picture import NetworkPicture
from seewhy.network.view import Cluster, LayerView, NetworkView, Words, look

__all__ = [
    "CLUSTERINGS",
    "ClassicClustering",
    "Cluster",
    "Clustering",
    "Effect",
    "LayerView",
    "Link",
    "NetworkPicture",
    "NetworkView",
    "WardClustering",
    "Words",
    "default_layers",
    "find_clustering",
    "look",
]
