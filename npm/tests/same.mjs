// What it means that two answers are the same but for rounding.
import assert from "node:assert/strict";

/** Fails where an answer differs from the program's by more than rounding. */
export function same(answer, golden, name, most = 0.01) {
  const { faces, ...rest } = answer;
  const { faces: expected, ...goldenRest } = golden;
  assert.deepEqual(rest, goldenRest, name);
  assert.equal(faces.length, expected.length, `${name}: number of faces`);
  faces.forEach((face, index) => {
    const other = expected[index];
    const where = `${name}, face ${index + 1}`;
    assert.deepEqual(Object.keys(face), Object.keys(other), `${where}: fields`);
    for (const side of ["x", "y", "width", "height"]) near(face.box[side], other.box[side], 1, `${where}: ${side}`);
    if (other.score !== null) {
      near(face.score, other.score, 0.005, `${where}: score`);
      near(((face.angle - other.angle + 540) % 360) - 180, 0, 1, `${where}: angle`);
      for (const [point, at] of Object.entries(other.landmarks)) {
        at.forEach((value, axis) => near(face.landmarks[point][axis], value, 1, `${where}: ${point}`));
      }
    }
    // Where two expressions are as likely but for rounding, either is right.
    const [first, second] = Object.values(other.probabilities).sort((one, another) => another - one);
    if (first - second > 2 * most) assert.equal(face.expression, other.expression, `${where}: expression`);
    assert.deepEqual(Object.keys(face.probabilities), Object.keys(other.probabilities), `${where}: labels`);
    for (const [label, value] of Object.entries(other.probabilities)) {
      near(face.probabilities[label], value, most, `${where}: ${label}`);
    }
  });
}

export const near = (value, expected, most, what) =>
  assert.ok(Math.abs(value - expected) <= most, `${what}: ${value}, expected ${expected}`);
