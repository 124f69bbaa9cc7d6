"""The benchmark (`python -m bench`) and the crash drill (`python -m bench.crash_drill`).

Both run the installed command as any operator would, from another process and over HTTP.
"""
