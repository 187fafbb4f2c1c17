from seewhy.commands.console import Answer, Images, Run, Table
from seewhy.commands.run import command


@command("model weights device")
def sure(run: Run, images: Images) -> Answer:
    """Say how sure the model is of each picture."""
    from seewhy.images import open_image

    classifier = run.load()
    found = {each: classifier.predict(open_image(each), 1)[0].probability for each in images}
    return Answer(found, [Table(["image", "sure"], [[name, f"{share:.0%}"] for name, share in found.items()])])
