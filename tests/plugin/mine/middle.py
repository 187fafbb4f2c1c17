import numpy as np

from seewhy.metrics import Metric, Score


class Middle(Metric):
    """The share of the map that lies in the middle of the picture."""

    name = "middle"
    bounds = (0, 1)
    question = "How much of the map lies in the middle?"

    def scores(self, asked):
        return [self.score(np.abs(each.values)) for each in asked.maps]

    def score(self, sizes):
        height, width = sizes.shape
        middle = sizes[height // 4 : -(height // 4), width // 4 : -(width // 4)]
        total = sizes.sum()
        return Score(float(middle.sum() / total)) if total else Score.undefined("the map is empty")
