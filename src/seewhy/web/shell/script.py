"""What Streamlit runs for every visit and every click."""

from seewhy.web.shell.frame import run

run()
