"""What runs dealbridge on one laptop: the local AWS engine, the vendor simulators and the demo. Never shipped."""
