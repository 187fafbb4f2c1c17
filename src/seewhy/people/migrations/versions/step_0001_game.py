"""Players, pictures, rounds, seats and answers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of the game."""
    _players()
    _rounds()
    _answers()


def _players() -> None:
    op.create_table(
        "players",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("joined", sa.DateTime, nullable=False),
        sa.UniqueConstraint("name", name="uq_players_name"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("player_id", sa.Integer, sa.ForeignKey("players.id"), nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("began", sa.DateTime, nullable=False),
        sa.Column("seen", sa.DateTime, nullable=False),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
    )
    op.create_index("ix_sessions_player_id", "sessions", ["player_id"])


def _rounds() -> None:
    op.create_table(
        "pictures",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("image_hash", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("image_hash", "content_hash", name="uq_pictures_image_hash_content_hash"),
    )
    op.create_table(
        "rounds",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("picture_id", sa.Integer, sa.ForeignKey("pictures.id"), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("cluster", sa.Integer, nullable=False),
        sa.Column("weight", sa.Double, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("columns", sa.Integer, nullable=False),
        sa.Column("map", sa.LargeBinary, nullable=False),
        sa.Column("true_class", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("overlap", sa.Integer, nullable=False),
        sa.Column("gold", sa.Boolean, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("made", sa.DateTime, nullable=False),
        sa.UniqueConstraint(
            *("picture_id", "model", "layer", "cluster", "true_class", "simulated"),
            name="uq_rounds_picture_id_model_layer_cluster_true_class_simulated",
        ),
        sa.CheckConstraint("overlap >= 1", name="ck_rounds_overlap"),
    )
    op.create_table(
        "seats",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("round_id", sa.Integer, sa.ForeignKey("rounds.id"), nullable=False),
        sa.Column("player_id", sa.Integer, sa.ForeignKey("players.id")),
        sa.Column("stage", sa.Integer, nullable=False),
        sa.Column("expires", sa.DateTime),
        sa.UniqueConstraint("round_id", "player_id", name="uq_seats_round_id_player_id"),
        sa.CheckConstraint("stage BETWEEN 0 AND 5", name="ck_seats_stage"),
    )
    op.create_index("ix_seats_player_id_expires", "seats", ["player_id", "expires"])


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("round_id", sa.Integer, sa.ForeignKey("rounds.id"), nullable=False),
        sa.Column("player_id", sa.Integer, sa.ForeignKey("players.id"), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("guess", sa.Text),
        sa.Column("stage", sa.Integer, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("given", sa.DateTime, nullable=False),
        sa.UniqueConstraint("round_id", "player_id", name="uq_answers_round_id_player_id"),
        sa.UniqueConstraint("player_id", "key", name="uq_answers_player_id_key"),
        sa.CheckConstraint("stage BETWEEN 0 AND 5", name="ck_answers_stage"),
    )
    op.create_table(
        "labels",
        sa.Column("answer_id", sa.Integer, sa.ForeignKey("answers.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
    )
