"""The bundled PostgreSQL: started, shared, adopted, brought back when killed, and stopped by its last user."""

from outrider.core.database.embedded.errors import EmbeddedPostgresError, WrongMajorVersionError
from outrider.core.database.embedded.supervising import EmbeddedPostgres, start_embedded

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "WrongMajorVersionError", "start_embedded"]
