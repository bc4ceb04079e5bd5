"""What every part stands on and that knows no part: errors, places on disk, processes, locks, digests, progress."""
