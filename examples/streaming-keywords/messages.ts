/** What a page tells its worker. */
export type ToWorker =
  /** Sound begins; the recogniser goes on with what it remembers. */
  | { readonly type: 'begin'; readonly sampleRate: number }
  | { readonly type: 'sound'; readonly samples: Float32Array }
  | { readonly type: 'update' };

/** A frame that was recognised. */
export interface FrameMessage {
  readonly type: 'frame';
  readonly frame: number;
  readonly branch: 'full' | 'fast';
  readonly waiting: number;
  /** Frames that had arrived by then. */
  readonly received: number;
  /** Updates that the model had been given before. */
  readonly updates: number;
  readonly word?: string;
}

/** What a worker tells its page. */
export type FromWorker =
  | FrameMessage
  | { readonly type: 'ready'; readonly modelBytes: number }
  | { readonly type: 'updating'; readonly text: string }
  | { readonly type: 'updated'; readonly bytes: number; readonly ms: number }
  | { readonly type: 'current' }
  | { readonly type: 'failed'; readonly text: string; readonly what: 'model' | 'update' };
