/**
 * *Smoothing* of probabilities over time, so that labels do not flicker: exponentially weighted means, one for each track; a
 * change is taken up to `1 - 1/e` after the time constant, whatever the rate of the frames. As the library's
 * `inference/smoothing.rs`.
 */

/** A face that was not seen for so many time constants begins anew. */
const FORGOTTEN = 20;

export class Smoothing {
  private readonly means = new Map<number, { seen: number; mean: number[] }>();

  /** With this time constant, in seconds; 0 smooths nothing. */
  constructor(private readonly seconds: number) {}

  /** The mean of a track with its probabilities at `time`, in seconds, included. */
  next(track: number, time: number, probabilities: readonly number[]): number[] {
    for (const [number, { seen }] of this.means) {
      if (time - seen > FORGOTTEN * this.seconds) this.means.delete(number);
    }
    const { seen, mean } = this.means.get(track) ?? { seen: time, mean: [...probabilities] };
    const weight = this.seconds > 0 ? 1 - Math.exp(-(time - seen) / this.seconds) : 1;
    const next = mean.map((value, at) => value + weight * (probabilities[at]! - value));
    this.means.set(track, { seen: time, mean: next });
    return next;
  }
}
