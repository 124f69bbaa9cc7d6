"""The crash drill: two servers and PostgreSQL are killed under load; nothing acknowledged may be lost."""
