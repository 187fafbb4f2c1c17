"""What Alembic runs: all steps inside the transaction of the connection that the store gives it."""

from alembic import context

from seewhy.people.store import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
