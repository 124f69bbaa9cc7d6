"""The project's own tools: set-up, lints, locks."""
