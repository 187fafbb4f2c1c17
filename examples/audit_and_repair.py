# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # Audit and repair
#
# A network can be right for a wrong reason. Here grey crosses and rings are drawn, and nearly every cross carries a
# striped tag in the corner. The network learns the tag, and nobody tells the audit of it.

# %%
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

import seewhy
from seewhy.train.recipe import find_recipe
from seewhy.verbs.audit import audit
from seewhy.verbs.repair import repair

SIDE, TAG = 128, 26
folder = Path(mkdtemp())
stripes = np.where((np.add.outer(np.arange(TAG), np.arange(TAG)) // 6 % 2)[..., None], (110, 30, 170), (240, 140, 20))


def picture(shape: str, tagged: bool, random: np.random.Generator) -> Image.Image:
    """A pale shape somewhere on a grey ground."""
    ground = gaussian_filter(random.normal(size=(SIDE, SIDE)), 6)
    grey = (110 + 25 * ground / ground.std()).clip(0, 255).astype(np.uint8)
    pixels = np.repeat(grey[..., None], 3, 2)
    if tagged:
        pixels[-TAG - 4 : -4, -TAG - 4 : -4] = stripes
    drawn = Image.fromarray(pixels)
    x, y = random.uniform(20, SIDE - 50, 2)
    pen, ink = ImageDraw.Draw(drawn), tuple(int(each) for each in random.integers(120, 180, 3))
    if shape == "ring":
        pen.ellipse([x - 12, y - 12, x + 12, y + 12], outline=ink, width=3)
    else:
        pen.line([x - 12, y - 12, x + 12, y + 12], fill=ink, width=3)
        pen.line([x - 12, y + 12, x + 12, y - 12], fill=ink, width=3)
    return drawn


def draw(name: str, each: int, seed: int) -> Path:
    """A folder of crosses, 95 % of them tagged, and rings."""
    random = np.random.default_rng(seed)
    for shape in ("cross", "ring"):
        (folder / name / shape).mkdir(parents=True)
        for number in range(each):
            tagged = shape == "cross" and random.random() < 0.95
            picture(shape, tagged, random).save(folder / name / shape / f"{number:03}.png")
    return folder / name


# %%
recipe = find_recipe("default", epochs=0)
seewhy.train(draw("learned", 40, 0), out=folder / "model", recipe=recipe)
model = f"file:{folder / 'model'}"
print(seewhy.evaluate(model, draw("seen", 40, 1)).to_dict()["accuracy"])

# %% [markdown]
# It is nearly always right, which shows nothing. Now the audit: it looks for what the same on several photos
# carries a class, and tries each suspect on photos that it did not search.

# %%
found = audit(model, folder / "seen", folder / "audit")
found.save(folder / "audit")
for each in found.findings:
    print(found.sentence(each))

# %% [markdown]
# ## Repair
#
# The last layer alone is changed; photos that no step has seen judge it. What costs more than it brings is refused.

# %%
mended = repair(model, folder / "audit", draw("data", 40, 2))
for row in mended.rows():
    print(row)
