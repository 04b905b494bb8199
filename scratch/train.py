"""The one training loop."""
import math

from backends import to_host


def train(model, state, batches, stream, steps):
    """Yields step, state, metrics (floats) after every update, until `steps`, the end of `batches`, or the model says
    that it has finished. The caller prints, plots and stops. Raises ValueError where a metric is no longer finite."""
    before = None
    for step, batch in zip(range(1, steps + 1), batches):
        new, metrics = model.update(state, batch, stream(step))
        metrics = {name: float(to_host(value)) for name, value in metrics.items()}
        if not all(map(math.isfinite, metrics.values())):
            raise ValueError(f"Training broke down at step {step}. {model.diagnose(state, batch)}")
        state = new
        yield step, state, metrics
        if before and model.finished(before, metrics):
            return
        before = metrics
