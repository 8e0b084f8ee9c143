"""Optimiser and learning rate of the config section ``train``; its state sliced for some of the replicates.

SGD and AdamW work element by element, so on stacked parameters they do to each replicate what they do to it alone.
"""

import torch


def learning_rate(settings, epoch):
    """Rate of an epoch, from 0: halved every ``halve_every_epochs`` (0: never)."""
    every = settings["halve_every_epochs"]
    return settings["learning_rate"] * 0.5 ** (epoch // every if every else 0)


def make_optimiser(network, settings, **options):
    """The optimiser of a network (`Alone` or `Stacked`); `options` go to torch's class."""
    weights = [parameter for _, parameter in network.named_weights()]
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if settings["optimizer"] == "sgd":
        return torch.optim.SGD(weights, rate, momentum=settings["momentum"], weight_decay=decay, **options)
    return torch.optim.AdamW(weights, rate, weight_decay=decay, **options)


def optimiser_state(network, optimiser):
    """Tensors of the optimiser by ``<parameter>/<name>``; no copies. Empty before the first step."""
    return {
        f"{name}/{key}": value
        for name, parameter in network.named_weights()
        for key, value in optimiser.state.get(parameter, {}).items()
        if value is not None
    }


def restore_optimiser(network, settings, tensors):
    """An optimiser of `network` with the tensors of `optimiser_state`."""
    optimiser = make_optimiser(network, settings)
    for name, parameter in network.named_weights():
        own = {key.rsplit("/", 1)[1]: value for key, value in tensors.items() if key.rsplit("/", 1)[0] == name}
        if own:
            # AdamW's count of steps is a number and stays on the CPU; all else is like the parameter.
            optimiser.state[parameter] = {
                key: value.clone() if value.dim() == 0 else value.to(parameter.device) for key, value in own.items()
            }
    return optimiser


def select_optimiser(old_network, optimiser, network, index, settings):
    """The optimiser of the chosen replicates (`index`, int64) of a `Stacked` network."""
    tensors = optimiser_state(old_network, optimiser)
    return restore_optimiser(
        network, settings, {key: value if value.dim() == 0 else value[index] for key, value in tensors.items()}
    )
