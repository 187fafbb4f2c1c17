from seewhy.methods import CAM


class AbsoluteCAM(CAM):
    """Every cell by the size of gradient times activation."""

    name = "absolute-cam"
    question = "Which areas moved the score of this class, up or down?"

    @staticmethod
    def cam(activations, gradients):
        return (gradients * activations).abs().sum(1)
