"""The page: the four models in a browser, in plain HTML, CSS and JavaScript; `site.py` puts the
weights and the world's facts beside it, `writing.py` writes all as a folder or as one file."""
