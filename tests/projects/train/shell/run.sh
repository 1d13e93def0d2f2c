#!/bin/sh -e
printf '%s\n' "$0" "$@" > "$SM_MODEL_DIR/seen.txt"
