/** An evaluation fails. The message is shown to the user. */
export class EvaluationError extends Error {}
