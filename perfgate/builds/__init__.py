"""From two commits to two builds that can be started: worktree, build steps, artifacts kept by what they came from."""
