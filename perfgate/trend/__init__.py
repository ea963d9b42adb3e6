"""How metrics moved over weeks, against one anchor: series, slope, change points, alert."""
