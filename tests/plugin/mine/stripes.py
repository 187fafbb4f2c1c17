import torch

from seewhy.methods import Found, MaskMethod


class Stripes(MaskMethod):
    """How far the class's score falls when a row or a column of the picture is hidden, added up."""

    name = "stripes"
    title = "Stripes"
    question = "Which rows and columns does the class need?"
    reading = "Bright areas lie where a row and a column meet that the class needs both."
    cost = "one forward per row and column"
    signed = True

    stripes: int = 8

    def find(self, task):
        height, width = task.size
        rows, columns = (torch.arange(side) * self.stripes // side for side in task.size)
        numbers = torch.arange(self.stripes)[:, None, None]
        hidden = torch.cat(
            [
                (rows[:, None] == numbers).expand(-1, -1, width),
                (columns == numbers).expand(-1, height, -1),
            ]
        )
        logits = self.engine(task).maps((~hidden).float())
        found = []
        for target in task.asked:
            drops = target.score(task.logits[0].cpu()) - target.score(logits)
            found.append(Found(torch.einsum("n,nhw->hw", drops, hidden.float())))
        return found
