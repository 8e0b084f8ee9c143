"""A training step as a CUDA graph: one launch instead of some hundred. An option, off by default.

Not measured: no GPU was at hand when this was written, so neither its gain nor its equality with `eager_step` has been
shown on a device; what can be tested without one (`rehearse` leaves no trace) is. A graph repeats fixed sizes and a
fixed learning rate: there is one for each size of a batch and each rate, made anew when finished replicates are left
out.
"""

import torch

from gcamccl.train.fit import eager_step
from gcamccl.train.optimiser import optimiser_state

REHEARSALS = 3  # steps before a capture, so that cuDNN, cuBLAS and the allocator have settled (torch's documentation)


def rehearse(network, optimiser, step, arguments, times=REHEARSALS):
    """Do a step some times and put weights, statistics and the optimiser back as they were.

    What the optimiser had not yet becomes zeros, which for SGD (dampening 0) and AdamW is the same as nothing.
    """
    state = {name: tensor.clone() for name, tensor in network.stacked_state().items()}
    moments = {name: tensor.clone() for name, tensor in optimiser_state(network, optimiser).items()}
    for _ in range(times):
        step(*arguments)
    with torch.no_grad():
        for name, tensor in network.stacked_state().items():
            tensor.copy_(state[name])
        for name, tensor in optimiser_state(network, optimiser).items():
            if name in moments:
                tensor.copy_(moments[name])
            else:
                tensor.zero_()


def make_capturable(network, optimiser):
    """AdamW counts steps on the device instead of on the CPU; SGD is as it is."""
    for group in optimiser.param_groups:
        if "capturable" in group:
            group["capturable"] = True
            for parameter in group["params"]:
                state = optimiser.state.get(parameter, {})
                if "step" in state:
                    state["step"] = state["step"].to(parameter.device)


class GraphedSteps:
    """Takes the place of `gcamccl.train.fit.eager_step` on a CUDA device: ``fit(..., make_step=GraphedSteps())``."""

    def __init__(self):
        self._of, self._graphs = None, {}

    def __call__(self, network, optimiser, staged, settings):
        """A function like that of `eager_step`."""
        if self._of is not optimiser:
            self._of, self._graphs = optimiser, {}
            make_capturable(network, optimiser)

        def step(*arguments):
            key = (arguments[0].shape, optimiser.param_groups[0]["lr"])
            if key not in self._graphs:
                self._graphs = {old: graph for old, graph in self._graphs.items() if old[1] == key[1]}
                self._graphs[key] = self._capture(network, optimiser, staged, settings, arguments)
            graph, inputs, loss = self._graphs[key]
            for own, argument in zip(inputs, arguments, strict=True):
                own.copy_(argument)
            graph.replay()
            return loss.clone()

        return step

    @staticmethod
    def _capture(network, optimiser, staged, settings, arguments):
        """The graph of a step, the tensors it reads and the one it leaves the losses in."""
        inputs = [argument.clone() for argument in arguments]
        step = eager_step(network, optimiser, staged, settings)
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            rehearse(network, optimiser, step, inputs)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = step(*inputs)
        return graph, inputs, loss
