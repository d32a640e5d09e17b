/** What can go wrong, by who can repair it. */
export type Problem =
  /** What was given is not a picture, or one that cannot be decoded. */
  | "picture"
  /** A model file is missing or of another kind. */
  | "model"
  /** The browser lacks what is needed. */
  | "browser"
  /** The recogniser was used after `close`. */
  | "closed";

export class DuchenneError extends Error {
  override readonly name = "DuchenneError";

  constructor(readonly problem: Problem, message: string) {
    super(message);
  }
}
