"""directions and presets"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("preset", sa.Text(), server_default="", nullable=False))
    op.add_column("projects", sa.Column("directions", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("segments", sa.Column("direction", postgresql.JSONB(), nullable=True))
    op.add_column("segments", sa.Column("earlier_number", sa.Integer(), nullable=True))
    op.add_column("segments", sa.Column("earlier_direction", postgresql.JSONB(), nullable=True))
    op.create_index(
        "ix_segments_directed",
        "segments",
        ["project_id"],
        postgresql_where=sa.text("direction IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_segments_directed", "segments")
    for name in ("earlier_direction", "earlier_number", "direction"):
        op.drop_column("segments", name)
    for name in ("directions", "preset"):
        op.drop_column("projects", name)
