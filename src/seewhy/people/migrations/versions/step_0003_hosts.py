"""Players whom the host has banned, and masks that go with all their states or not at all."""

import sqlalchemy as sa
from alembic import op

from seewhy.people.migrations.versions.step_0002_masks import guard_revisions

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Remember bans; let a mask be deleted whole, and still none of its states alone."""
    op.add_column("players", sa.Column("banned", sa.DateTime))
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        op.execute("DROP TRIGGER keep_revisions ON mask_revisions")
        op.execute("DROP FUNCTION keep_revisions")
        op.drop_constraint("fk_mask_revisions_mask_id", "mask_revisions", type_="foreignkey")
        op.create_foreign_key(
            "fk_mask_revisions_mask_id", "mask_revisions", "masks", ["mask_id"], ["id"], ondelete="CASCADE"
        )
    guard_revisions(unless_whole=True)


def _rebuild() -> None:
    """SQLite cannot change a foreign key: a new table takes the place of the old one, whose guards go with it."""
    op.create_table(
        "mask_revisions_new",
        sa.Column("mask_id", sa.Integer, sa.ForeignKey("masks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("drawn", sa.DateTime, nullable=False),
        sa.UniqueConstraint("mask_id", "key", name="uq_mask_revisions_mask_id_key"),
    )
    op.execute("INSERT INTO mask_revisions_new SELECT mask_id, revision, key, counts, drawn FROM mask_revisions")
    op.drop_table("mask_revisions")
    op.rename_table("mask_revisions_new", "mask_revisions")
