"""Lists what TensorBoard's own reader finds in a run's folder."""
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "images": 0})
events.Reload()
tags = events.Tags()
for tag in tags["scalars"]:
    print("scalar", tag, " ".join(f"{event.step}:{event.value:.6f}" for event in events.Scalars(tag)))
for tag in tags["histograms"]:
    print("histogram", tag, len(events.Histograms(tag)))
for tag in tags["images"]:
    print("image", tag, len(events.Images(tag)))
