"""The schedule of banks: in which turn a lane of a warp reads which value of shared memory.

Word w of shared memory lies in bank w mod 32, and what the lanes of a warp read in one turn takes as many wavefronts as
the fullest bank has words. Two schedules let lanes seldom meet a bank; here with 8 lanes and 8 banks.

`lists_with_waits` (CUDA, bins of few points): lane l has the bins l, l + 8, ... The points, in the order of bins, are
cut into runs that meet no lane and no bank twice; a lane that has no point in a run waits. Sixteen bins with a point
each, whose values lie in rows of six, nine words apart, so that bank = position mod 8:

    bin       0  1  2  3  4  5 |  6  7  8  9 10 11 | 12 13 14 15
    position  0  1  2  3  4  5 |  9 10 11 12 13 14 | 18 19 20 21
    bank      0  1  2  3  4  5 |  1  2  3  4  5  6 |  2  3  4  5

In two turns of eight bins, lanes would meet the banks 1 and 2, then 3, 4 and 5: four wavefronts. Three runs take three:

    >>> bins = torch.arange(16)
    >>> position = bins // 6 * 9 + bins % 6
    >>> turn, runs = turns_in_runs(bins * 0, bins % 8, position % 8, n_pools=1, lanes=8)
    >>> def draw(turns):  # a line per turn, a column per lane
    ...     for line in turns.tolist():
    ...         print(" ".join(f"{n:2}" if n >= 0 else " ." for n in line))
    >>> draw(torch.full((int(runs), 8), -1).index_put((turn, bins % 8), bins))
     0  1  2  3  4  5  .  .
     8  9 10 11  .  .  6  7
     .  .  .  . 12 13 14 15

`in_turns_without_conflicts` (Triton, chunks of a bin): each lane has words of its own, and idle turns to choose from.
Lane l has the words 2l and 2l + 1, in two turns of which each lane would share its bank with another:

    >>> words = torch.arange(16).view(1, 8, 2)
    >>> turns = in_turns_without_conflicts(torch.nn.functional.pad(words, (0, 2), value=-1))[0].T
    >>> draw(turns)
     .  .  5  6  . 11 12  .
     .  3  4  .  9 10  .  .
     1  2  .  .  8  .  . 15
     0  .  .  7  .  . 13 14
    >>> [int((line[line >= 0] % 8).bincount().max()) for line in turns]  # wavefronts
    [1, 1, 1, 1]
"""

from __future__ import annotations

import torch
from torch import Tensor

LANES = 32  # of a warp, and banks of shared memory: hardware
SUMS = 4  # of a lane: kMostSums of csrc/spectral/cuda/bins.cuh
SUM_CODES, NO_SUM = 2 * SUMS, SUMS  # kSumCodes: what tells the sum of a point
MOST_RUNS = 8  # of a pool with waits: twice the SUMS turns of a pool whose bins have one point each
DEALING_ROUNDS = 4  # after which hardly a conflict of radial maps is left


def lists_with_waits(bin_of: Tensor, position: Tensor, n_pools: int) -> tuple[Tensor, Tensor, Tensor]:
    """Lists the points of pools of 128 bins, whose lanes have every 32nd bin, so that lanes seldom meet a bank.

    Args:
        bin_of, position: int64 [P], the bin of each point, 128 · n_pools for none, and where its value is.

    Returns:
        Three of int64 [N], in the order of turns: 8 · position + sum, the point, P for a wait, and its list, 32 · pool
        + lane, 32 · n_pools for none.
    """
    n, device, bins_of_pool = len(bin_of), bin_of.device, LANES * SUMS
    bins_in_turn = bin_of // bins_of_pool * n + _among_equals(bin_of)[0]  # first of each bin, then second
    order = (bins_in_turn * bins_of_pool + bin_of % bins_of_pool).argsort(stable=True)
    bin_of, position = bin_of[order], position[order]
    pool, lane = bin_of // bins_of_pool, bin_of % LANES
    turn, n_runs = turns_in_runs(pool, lane, position % LANES, n_pools)
    cells = torch.arange(n_pools * MOST_RUNS * LANES, device=device)  # [pools, turns, lanes]
    pool_of_cell, turn_of_cell = cells // (MOST_RUNS * LANES), cells // LANES % MOST_RUNS
    in_run = turn < torch.cat((n_runs, n_runs[:1] * 0))[pool]
    taken = torch.zeros(len(cells) + 1, dtype=torch.bool, device=device)
    taken = taken.scatter(0, ((pool * MOST_RUNS + turn) * LANES + lane).where(in_run, len(cells)), True)[:-1]
    waits = ~taken & (turn_of_cell < n_runs[pool_of_cell])
    read = torch.zeros(n_pools * MOST_RUNS + 1, dtype=torch.int64, device=device)  # by another lane in that turn
    read = read.scatter(0, (pool * MOST_RUNS + turn).where(in_run, n_pools * MOST_RUNS), position)
    places = torch.cat((SUM_CODES * position + bin_of // LANES % SUMS, SUM_CODES * read[cells // LANES] + NO_SUM))
    points = torch.cat((order, torch.full_like(cells, n)))
    lists = torch.cat((LANES * pool + lane, (LANES * pool_of_cell + cells % LANES).where(waits, LANES * n_pools)))
    by_turn = torch.cat((turn, turn_of_cell)).argsort(stable=True)
    return places[by_turn], points[by_turn], lists[by_turn]


def turns_in_runs(pool: Tensor, lane: Tensor, bank: Tensor, n_pools: int, lanes: int = LANES) -> tuple[Tensor, Tensor]:
    """Cuts the points of each pool into runs that meet no lane or bank twice, each as long as it can be.

    A pool keeps its lists without waits if these make no more wavefronts, or if there would be over MOST_RUNS runs.

    Args:
        pool, lane, bank: int64 [P], by pools; n_pools is none.

    Returns:
        The turn of each point, and the runs of each pool, 0 if it has no waits.
    """
    turn, next_of_lane = _among_equals(lanes * pool + lane)
    _, next_of_bank = _among_equals(lanes * pool + bank)
    first = torch.searchsorted(pool, torch.arange(n_pools + 1, device=pool.device))
    ends = torch.minimum(next_of_lane, next_of_bank).flip(0).cummin(0).values.flip(0)  # of runs, by where they begin
    ends = torch.cat((ends, first[-1:]))
    begins = [first[:-1]]
    for _ in range(MOST_RUNS):
        begins.append(torch.minimum(ends[begins[-1]], first[1:]))
    runs = torch.stack(begins[:-1])
    n_runs = (runs < first[1:]).sum(0)
    met_before, _ = _among_equals((pool * len(pool) + turn) * lanes + bank)
    cell = (pool * MOST_RUNS + turn.clamp(max=MOST_RUNS - 1)).where(pool < n_pools, n_pools * MOST_RUNS)
    wavefronts = torch.zeros(n_pools * MOST_RUNS + 1, dtype=torch.int64, device=pool.device)
    wavefronts = wavefronts.scatter_reduce(0, cell, met_before + 1, "amax")[:-1].view(n_pools, MOST_RUNS).sum(1)
    n_runs = n_runs.where((begins[-1] == first[1:]) & (n_runs < wavefronts), 0)
    of_pool = pool.clamp(max=n_pools - 1)
    run = (torch.arange(len(pool), device=pool.device) >= runs[:, of_pool]).sum(0) - 1
    return run.where((n_runs[of_pool] > 0) & (pool < n_pools), turn), n_runs


def _among_equals(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Returns how many equal keys [N] come before each, and where the next one is, N for none."""
    in_order, order = keys.sort(stable=True)
    number = torch.arange(len(keys), device=keys.device)
    rank = number - torch.searchsorted(in_order, in_order)
    following = torch.cat((order[1:].where(in_order.diff() == 0, len(keys)), number[:1] + len(keys)))
    return torch.empty_like(rank).scatter(0, order, rank), torch.empty_like(rank).scatter(0, order, following)


def in_turns_without_conflicts(place: Tensor) -> Tensor:
    """Deals what each lane reads from shared memory to its turns, so that lanes seldom meet a bank in one.

    In a few rounds each word without a turn asks for one in which its lane and its bank are free; of those that ask for
    the same, one gets it. What is left at the end goes where its lane is idle.

    Args:
        place: int64 [groups, lanes, turns], words of shared memory in any order along the last axis; -1 is none. Lanes
            are those that are served at once, of which there are as many as banks as wide as a word.

    Returns:
        As `place`, by turns. An idle lane has -2^15 + a word that another lane reads in that turn, or any if none does.
    """
    n_groups, n_lanes, n_turns = place.shape
    words = place.flatten(1)
    n = words.shape[1]
    number, turns = torch.arange(n, device=place.device), torch.arange(n_turns, device=place.device)
    # With its turn, a word has a cell of its lane and one of its bank; no two have the same.
    lane, bank = (number // n_turns * n_turns).expand_as(words), words % n_lanes * n_turns
    lane_cells, bank_cells = ((each.unsqueeze(2) + turns).flatten(1) for each in (lane, bank))
    likes = turns + (number + number // n_turns).unsqueeze(1)  # neighbours like others best
    left = words >= 0
    dealt = torch.full((n_groups, n + 1), -1, device=place.device)  # the last cell is of those that got none
    bank_free = torch.ones((n_groups, n + 1), dtype=torch.bool, device=place.device)
    for attempt in range(DEALING_ROUNDS):
        open_ = ((dealt.gather(1, lane_cells) < 0) & bank_free.gather(1, bank_cells)).view(n_groups, n, n_turns)
        liked, turn = ((likes + 5 * attempt) % n_turns).where(open_ & left.unsqueeze(2), turns[:1] - 1).max(2)
        asks = number.expand_as(words).masked_fill(liked < 0, n)
        of_lane, of_bank = lane + turn, bank + turn
        for cell in (of_lane, of_bank):
            first = torch.full_like(words, n).scatter_reduce(1, cell, asks, "amin")
            asks = asks.masked_fill(first.gather(1, cell) != asks, n)
        got_none = asks == n
        dealt = dealt.scatter(1, of_lane.masked_fill(got_none, n), words.masked_fill(got_none, -1))
        bank_free = bank_free.scatter(1, of_bank.masked_fill(got_none, n), False)
        left = left & got_none
    dealt = dealt[:, :-1].view_as(place)
    idle = (dealt >= 0).long().argsort(dim=2, stable=True)  # first, as many as words not dealt
    rest = (left | (words < 0)).view_as(place).logical_not().long().argsort(dim=2, stable=True)
    dealt = torch.where(dealt < 0, place.gather(2, rest).gather(2, idle.argsort(dim=2)), dealt)
    return torch.where(dealt >= 0, dealt, dealt.amax(1, keepdim=True).clamp(min=0) - (1 << 15))
