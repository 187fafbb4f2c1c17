"""Masks and their revisions, which nobody can change."""

import sqlalchemy as sa
from alembic import op

from seewhy.people.schema import REFUSED, sqlite_guards

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of masks, and guard their revisions."""
    op.create_table(
        "masks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("image_hash", sa.Text, nullable=False),
        sa.Column("player_id", sa.Integer, sa.ForeignKey("players.id"), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.UniqueConstraint("image_hash", "player_id", "label", name="uq_masks_image_hash_player_id_label"),
    )
    op.create_table(
        "mask_revisions",
        sa.Column("mask_id", sa.Integer, sa.ForeignKey("masks.id"), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("drawn", sa.DateTime, nullable=False),
        sa.UniqueConstraint("mask_id", "key", name="uq_mask_revisions_mask_id_key"),
    )
    guard_revisions()


def guard_revisions(*, unless_whole: bool = False) -> None:
    """Refuse changes of revisions; with `unless_whole` they may be deleted once their mask is gone."""
    if op.get_bind().dialect.name == "sqlite":
        for guard in sqlite_guards(unless_whole=unless_whole).values():
            op.execute(guard)
        return
    gone = "TG_OP = 'DELETE' AND NOT EXISTS (SELECT 1 FROM masks WHERE id = OLD.mask_id)" if unless_whole else "FALSE"
    op.execute(
        f"CREATE FUNCTION keep_revisions() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {gone} THEN RETURN OLD; END IF; RAISE EXCEPTION '{REFUSED}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER keep_revisions BEFORE UPDATE OR DELETE ON mask_revisions "
        "FOR EACH ROW EXECUTE FUNCTION keep_revisions()"
    )
