"""What Streamlit runs for every visit and every click."""

from seewhy.app.shell.frame import run

run()
