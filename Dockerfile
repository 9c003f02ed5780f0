# What `python3 -m minigpt grade` needs where no sandbox but Docker or podman is: Python and the
# course's requirements. Made once, in this folder: docker build -t minigpt .
FROM python:3.12-slim
COPY requirements.txt .
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    -r requirements.txt 'nbgrader>=0.9.6'
