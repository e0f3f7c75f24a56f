#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Make configure from a checkout. Needs autoconf, automake, pkg-config.
set -e
cd "$(dirname "$0")"
exec autoreconf -fi
