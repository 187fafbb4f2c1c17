"""What Streamlit has no widget for: Streamlit components (v2) in plain JavaScript, without a build step."""
