# scripts/ goes into the release as a whole (Makefile.am).
