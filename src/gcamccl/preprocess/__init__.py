"""Per person: realignment, registration to MNI152, ROI time series, scan quality."""
