"""Tests of the container images. They need no container engine: dockerfile_build.py runs the Dockerfiles."""
