"""Who people are: users, their faces on connections, and how two users turn out to be one."""
