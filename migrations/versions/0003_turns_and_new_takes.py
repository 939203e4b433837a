"""turns, and new takes of spoken segments"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("gpu_class", sa.Text(), nullable=False),
        sa.Column("start", sa.Double(), nullable=False),
        sa.Column("finish", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_turns_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "gpu_class", name=op.f("pk_turns")),
    )
    op.add_column("segments", sa.Column("take_number", sa.Integer(), server_default="0", nullable=False))
    op.add_column("segments", sa.Column("earlier_key", sa.Text(), nullable=True))
    op.create_index(
        "ix_segments_earlier",
        "segments",
        ["earlier_key"],
        postgresql_where=sa.text("earlier_key IS NOT NULL"),
    )
    op.create_index(
        "ix_segments_tried",
        "segments",
        ["project_id", "rank"],
        postgresql_where=sa.text("state = 'ready' AND attempts > 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_segments_tried", table_name="segments")
    op.drop_index("ix_segments_earlier", table_name="segments")
    op.drop_column("segments", "earlier_key")
    op.drop_column("segments", "take_number")
    op.drop_table("turns")
