/**
 * *Tracking*: each face of a clip keeps a number for as long as it is seen.
 *
 * The whole picture is searched a few times a second. Between, every known face is looked for in a patch around the place where its
 * motion leads, by the same network. What is found is given to the known faces by place, size and appearance, the best pair first; a
 * face that is not found is remembered for a second. As the library's `inference/tracking`.
 */
import { Appearance } from "./appearance.js";
import { angleOf, bounds, centreOf, type DetectedFace, inReadingOrder, sideOf } from "./detected_face.js";
import type { FaceDetector } from "./detection.js";
import type { Picture } from "./picture.js";
import { samples } from "./reshaping.js";
import { around, type Look, surestView } from "./second_look.js";
import { overlap } from "./suppression.js";
import { distance, type Seen, Track } from "./track.js";

/** Seconds between two searches of the whole picture, unless the caller says otherwise. */
export const DEFAULT_SEARCH_EVERY = 0.2;

/** A face that is not seen is remembered for so many seconds. */
const MEMORY = 1;
/** It is looked for in a patch for so many seconds, and by searches of the whole picture after that. */
const LOOKED_FOR = 0.3;
/** A face that gets lost brings a search forward, but not sooner after the last than this, in seconds. */
const SOONEST_SEARCH = 0.08;
/** The side of a patch, in pixels. */
const PATCH = 128;
/** A known face may be as unsure as this share of the least score of new ones. */
const KNOWN_FACE_SCORE = 0.75;
/** Where the patches have more pixels than this share of the picture, the picture is searched instead. */
const CROWD = 0.8;
/** Boxes that meet in more than this share of what they cover are one face. */
const SAME_FACE = 0.3;
/** Heads turned by fewer degrees are looked for upright. */
const UPRIGHT = 15;
/**
 * A head that turns away from the direction in which it is looked for is found less and less surely, while its landmarks tell little of
 * the turn: then patches turned by so many degrees more and less are looked at, too, but not more often than every so many seconds.
 */
const TILT = 20;
const TILT_EVERY = 0.08;
/** The picture is compared with the one before at so many points on a side; a mean difference of more levels is a cut. */
const POINTS = 48;
const CUT = 40;

/** Follows the faces of one clip, whose frames come in order. */
export class Tracker {
  private tracks: Track[] = [];
  private given = 0;
  private searched: number | null = null;
  private tilted: number | null = null;
  private earlier: Uint8Array | null = null;
  private readonly known: FaceDetector;

  /** Searches the whole picture every so many seconds; in every frame with 0. */
  constructor(private readonly detector: FaceDetector, private readonly searchEvery: number) {
    this.known = detector.withScoresOf(KNOWN_FACE_SCORE);
  }

  /** The faces of the next frame, which is shown at `time` in seconds, each with its number, in the order of the numbers. */
  async next(time: number, picture: Picture): Promise<[number, DetectedFace][]> {
    await this.follow(time, picture);
    return this.tracks.filter((track) => track.seen === time).map((track) => [track.number, track.face]);
  }

  /** Brings the tracks to `time`. */
  private async follow(time: number, picture: Picture): Promise<void> {
    const isCut = this.isCut(picture);
    this.tracks = this.tracks.filter((track) => time - track.seen <= MEMORY && time >= track.seen);
    const tilts = this.tilted === null || time < this.tilted || time - this.tilted >= TILT_EVERY;
    if (tilts) this.tilted = time;
    const near = await this.inPatches(time, tilts, picture);
    const isDue = this.searched === null || isCut || time < this.searched
      || time - this.searched + 1e-6 >= this.searchEvery;
    let searched = isDue || near === null;
    const candidates = near ?? [];
    const patched = candidates.length;
    if (searched) await this.search(time, picture, candidates);
    const looks = looksOf(picture, candidates, 0);
    let pairs = this.pairs(time, isCut, candidates, looks);
    const lastSeen = Math.max(...this.tracks.map((track) => track.seen));
    const isLost = this.tracks.some((track, place) => pairs[place] === null && track.seen === lastSeen);
    if (!searched && isLost && (this.searched === null || time - this.searched >= SOONEST_SEARCH)) {
      searched = true;
      await this.search(time, picture, candidates);
      looks.push(...looksOf(picture, candidates, patched));
      pairs = this.pairs(time, isCut, candidates, looks);
    }
    this.tracks.forEach((track, place) => {
      const at = pairs[place] ?? null;
      if (at === null) return;
      const seen = looks[at]!;
      track.update(time, candidates[at]!, seen.isHidden ? null : seen.look);
    });
    if (searched) {
      const isNew = (_: DetectedFace, place: number): boolean => place >= patched && !pairs.includes(place);
      await this.begin(time, picture, candidates.filter(isNew));
    }
  }

  /**
   * What is found in patches around the known faces, unsure ones also in patches that are turned where `tilts`; `null` where the faces
   * are so many that searching the picture is less work.
   */
  private async inPatches(time: number, tilts: boolean, picture: Picture): Promise<DetectedFace[] | null> {
    const lookedFor = this.tracks.filter((track) => time - track.seen <= LOOKED_FOR);
    const [width, height] = this.detector.scanSizes(picture)[0]!;
    // A single face is followed in any picture: a picture smaller than a patch is quickly done.
    if (lookedFor.length > 1 && lookedFor.length * PATCH * PATCH > CROWD * width * height) return null;
    const looks = lookedFor.map((track) => {
      const angle = angleOf(track.face);
      return { face: track.expected(time), angle: Math.abs(angle) < UPRIGHT ? 0 : angle };
    });
    const found = await this.near(picture, looks);
    const { below_score } = this.detector.network.constants.second_look;
    const unsure = tilts ? looks.map((_, place) => place).filter((place) => surest(found[place]!) < below_score) : [];
    const tilted = unsure.flatMap((place) =>
      [-TILT, TILT].map((tilt) => ({ face: looks[place]!.face, angle: looks[place]!.angle + tilt })));
    const views = await this.near(picture, tilted);
    unsure.forEach((place, at) => {
      for (const view of views.slice(2 * at, 2 * at + 2)) {
        if (surest(view) > surest(found[place]!)) found[place] = view;
      }
    });
    const near = found.flat();
    const kept: DetectedFace[] = [];
    for (const face of near.sort((one, other) => other.score - one.score)) {
      if (!isAmong(kept, face)) kept.push(face);
    }
    return kept;
  }

  /** For each look what is found around it that may be the face itself: beside it there may be parts of others, cut by the patch. */
  private async near(picture: Picture, looks: Look[]): Promise<DetectedFace[][]> {
    const found = await around(this.known, picture, looks, PATCH);
    return found.map((faces, place) => {
      const { face: expected } = looks[place]!;
      return faces.filter((face) => distance(centreOf(face), centreOf(expected)) < 0.75 * sideOf(expected));
    });
  }

  /** Adds the faces of the whole picture that are not among the candidates. */
  private async search(time: number, picture: Picture, candidates: DetectedFace[]): Promise<void> {
    this.searched = time;
    // Where every known head lies on its side, the others do, too.
    const isUpright = (track: Track): boolean => Math.abs(angleOf(track.face)) < 60;
    const found = this.tracks.some(isUpright)
      ? await this.detector.detectUpright(picture) : await this.detector.detect(picture);
    for (const face of found) {
      if (!isAmong(candidates, face)) candidates.push(face);
    }
  }

  /** For each track the place of the candidate that it becomes: pairs are made from the best on. */
  private pairs(time: number, isCut: boolean, candidates: DetectedFace[], looks: Seen[]): (number | null)[] {
    const possible = this.tracks.flatMap((track, place) => candidates.flatMap((face, candidate) => {
      const cost = track.cost(time, isCut, face, looks[candidate]!);
      return cost === null ? [] : [{ place, candidate, cost }];
    }));
    const ofTracks: (number | null)[] = this.tracks.map(() => null);
    for (const { place, candidate } of possible.sort((one, other) => one.cost - other.cost)) {
      if (ofTracks[place] === null && !ofTracks.includes(candidate)) ofTracks[place] = candidate;
    }
    return ofTracks;
  }

  /** Begins tracks of faces that belong to none. */
  private async begin(time: number, picture: Picture, faces: DetectedFace[]): Promise<void> {
    const fresh: DetectedFace[] = [];
    const followed = this.tracks.filter((track) => track.seen === time).map((track) => track.face);
    for (const found of faces) {
      const isUnsure = found.score < this.detector.network.constants.second_look.below_score;
      const face = isUnsure ? await surestView(this.detector, picture, found) : found;
      const isInside = bounds(face, picture.width, picture.height) !== null;
      if (isInside && !followed.some((other) => isAmong([other], face)) && !isAmong(fresh, face)) fresh.push(face);
    }
    for (const face of inReadingOrder(fresh)) {
      this.given += 1;
      this.tracks.push(new Track(this.given, time, face, Appearance.of(picture, face)));
    }
  }

  /** Whether a picture has little to do with the one before. */
  private isCut(picture: Picture): boolean {
    const points = samples(picture, POINTS);
    const { earlier } = this;
    this.earlier = points;
    if (earlier === null) return false;
    const difference = points.reduce((sum, value, at) => sum + Math.abs(value - (earlier[at] ?? 0)), 0);
    return earlier.length !== points.length || difference > CUT * Math.max(1, points.length);
  }
}

/** How the faces from place `first` on look. */
function looksOf(picture: Picture, faces: DetectedFace[], first: number): Seen[] {
  return faces.slice(first).map((face) => {
    const [x, y] = centreOf(face);
    const reach = (Appearance.FACES * sideOf(face)) / 2;
    const isCut = x < reach || y < reach || x + reach > picture.width || y + reach > picture.height;
    const isHidden = isCut || faces.some((other) => other !== face && meet(face, other));
    return { look: Appearance.of(picture, face), isHidden };
  });
}

/** Whether what is seen of two faces, hair and collar included, meets. */
function meet(one: DetectedFace, other: DetectedFace): boolean {
  const reach = (Appearance.FACES * (sideOf(one) + sideOf(other))) / 2;
  const [here, there] = [centreOf(one), centreOf(other)];
  return Math.abs(here[0] - there[0]) < reach && Math.abs(here[1] - there[1]) < reach;
}

const surest = (faces: DetectedFace[]): number => faces.reduce((most, { score }) => Math.max(most, score), 0);

const isAmong = (faces: DetectedFace[], face: DetectedFace): boolean =>
  faces.some((other) => overlap(other.area, face.area) > SAME_FACE);
