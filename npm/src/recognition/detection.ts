/**
 * *Face detection*: where in a picture the faces are, at one or two scales. As the library's
 * `inference/face_detection`, with the constants that travel in the detector's file.
 */
import { bounds, type DetectedFace, inReadingOrder, scaled, withPoints } from "./detected_face.js";
import type { DetectorNetwork } from "./networks.js";
import { type Picture, round } from "./picture.js";
import { part, resized, type Turn, turned, turnedBack, TURNS } from "./reshaping.js";
import { lookedAtAgain } from "./second_look.js";
import { suppressed } from "./suppression.js";

/** What is looked for. */
export interface Search {
  /** The smallest face, in pixels. */
  readonly minFace?: number | undefined;
  /** The least score, `0..=1`. */
  readonly minScore?: number | undefined;
}

export class FaceDetector {
  readonly minScore: number;
  private readonly minFace: number | null;

  constructor(readonly network: DetectorNetwork, search: Search = {}) {
    const { least_min_face, min_score } = network.constants;
    this.minFace = search.minFace === undefined ? null : Math.max(least_min_face, search.minFace);
    this.minScore = search.minScore ?? min_score;
  }

  /** Keeps faces of this share of the least score. */
  withScoresOf(share: number): FaceDetector {
    return new FaceDetector(this.network, { minFace: this.minFace ?? undefined, minScore: this.minScore * share });
  }

  /**
   * The faces in a picture, in reading order. Where there is none, a small picture is tried enlarged, and any in the other
   * three directions.
   */
  async detect(picture: Picture): Promise<DetectedFace[]> {
    const { enlarged_pixels, turn_pixels } = this.network.constants;
    const { width, height } = picture;
    const upright = await this.detectUpright(picture);
    if (upright.length > 0) return inReadingOrder(await lookedAtAgain(this, picture, upright));
    if (4 * width * height < enlarged_pixels) {
      const [found] = await this.scan([resized(picture, 2 * width, 2 * height)]);
      if (found!.length > 0) {
        const faces = this.wanted(found!.map((face) => scaled(face, 0.5, 0.5)), picture);
        return inReadingOrder(await lookedAtAgain(this, picture, faces));
      }
    }
    const turn = await this.surestTurn(shrunk(picture, turn_pixels));
    if (turn === null) return [];
    const sideways = turned(picture, turn);
    const faces = await lookedAtAgain(this, sideways, await this.detectUpright(sideways));
    return inReadingOrder(faces.map((face) => backFrom(turn, face, width, height)));
  }

  /** The upright faces in a picture. */
  async detectUpright(picture: Picture): Promise<DetectedFace[]> {
    const found: DetectedFace[] = [];
    // The coarse scan shrinks what the fine one saw: a large picture is gone through once.
    let seen = picture;
    for (const [width, height] of this.scanSizes(picture)) {
      if (width !== picture.width || height !== picture.height) seen = resized(seen, width, height);
      const [across, down] = [picture.width / width, picture.height / height];
      found.push(...(await this.scanInTiles(seen)).map((face) => scaled(face, across, down)));
    }
    return suppressed(this.wanted(found, picture), this.network.constants.overlap);
  }

  /** The faces of each of several pictures of one size, at that size, the surest first. */
  scan(pictures: readonly Picture[]): Promise<DetectedFace[][]> {
    return this.network.scan(pictures, this.minScore);
  }

  /**
   * The sizes at which a picture is scanned: one where the smallest face is as small as the detector can find it, within the
   * limits, and a coarse one for large faces where that is large.
   */
  scanSizes({ width, height }: { readonly width: number; readonly height: number }): [number, number][] {
    const { least_min_face, scan_pixels, most_scan_pixels, coarse_pixels } = this.network.constants;
    const pixels = width * height;
    const [wanted, limit] = this.minFace === null ? [1, scan_pixels] : [least_min_face / this.minFace, most_scan_pixels];
    const size = (scale: number): [number, number] =>
      [Math.max(1, round(width * scale)), Math.max(1, round(height * scale))];
    const scale = Math.min(wanted, Math.sqrt(limit / pixels));
    const sizes = [size(scale)];
    if (scale * scale * pixels > 2 * coarse_pixels) sizes.push(size(Math.sqrt(coarse_pixels / pixels)));
    return sizes;
  }

  /** The direction in which a picture without upright faces has the surest ones. */
  private async surestTurn(small: Picture): Promise<Turn | null> {
    let best: [Turn | null, number] = [null, 0];
    for (const turn of TURNS) {
      const [faces] = await this.scan([turned(small, turn)]);
      const sure = faces!.reduce((sum, face) => sum + face.score, 0);
      if (sure > best[1]) best = [turn, sure];
    }
    return best[0];
  }

  /** Faces that lie in the picture and are not smaller than what is looked for. */
  private wanted(faces: DetectedFace[], { width, height }: Picture): DetectedFace[] {
    const least = this.minFace ?? 0;
    // A regression may push a box out of the picture.
    return faces.filter((face) =>
      bounds(face, width, height) !== null && Math.max(face.area[2], face.area[3]) >= least);
  }

  /** The faces of a picture at its own size, large pictures in tiles. */
  private async scanInTiles(picture: Picture): Promise<DetectedFace[]> {
    const { side, edge, overlap } = this.network.constants.tile;
    const { width, height } = picture;
    if (width <= side && height <= side) return (await this.scan([picture]))[0]!;
    const found: DetectedFace[] = [];
    for (const top of starts(height, side, side - overlap)) {
      for (const left of starts(width, side, side - overlap)) {
        const [columns, rows] = [Math.min(side, width - left), Math.min(side, height - top)];
        // A face at the edge of a tile is whole in the next one.
        const isWhole = ({ area: [x, y, across, down] }: DetectedFace): boolean =>
          (left === 0 || x > edge) && (top === 0 || y > edge)
          && (left + columns === width || x + across < columns - edge)
          && (top + rows === height || y + down < rows - edge);
        const [faces] = await this.scan([part(picture, left, top, columns, rows)]);
        found.push(...faces!.filter(isWhole).map((face) => scaled(face, 1, 1, [left, top])));
      }
    }
    return suppressed(found, this.network.constants.overlap);
  }
}

/** Where tiles begin along a side: each a step from the one before, the last at the end. */
function starts(side: number, tile: number, step: number): number[] {
  const last = Math.max(0, side - tile);
  const places: number[] = [];
  for (let at = 0; at < last; at += step) places.push(at);
  return [...places, last];
}

/** The picture at so many pixels at most. */
function shrunk(picture: Picture, pixels: number): Picture {
  const { width, height } = picture;
  const scale = Math.min(1, Math.sqrt(pixels / (width * height)));
  return resized(picture, Math.max(1, round(width * scale)), Math.max(1, round(height * scale)));
}

/** A face of a turned picture in the picture of this size. */
function backFrom(turn: Turn, face: DetectedFace, width: number, height: number): DetectedFace {
  const [left, top, across, down] = face.area;
  const [one, other] = [turnedBack(turn, [left, top], width, height),
    turnedBack(turn, [left + across, top + down], width, height)];
  const low = [Math.min(one[0], other[0]), Math.min(one[1], other[1])] as const;
  const length = [Math.abs(one[0] - other[0]), Math.abs(one[1] - other[1])] as const;
  return withPoints(face, [...low, ...length], (point) => turnedBack(turn, point, width, height));
}
