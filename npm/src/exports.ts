export type { Box, Expression, Face, FrameRecognition, Landmarks, Recognition, TrackedFace } from "./answers.js";
export { DuchenneError, type Problem } from "./errors.js";
export type { FollowOptions, LoadOptions, RecognizeOptions } from "./options.js";
export type { Pixels } from "./recognition/picture.js";
export type { Clip } from "./recognizer.js";
