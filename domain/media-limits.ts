/** Largest file that is taken, by kind, in bytes. What a platform accepts is its rules' business. */
export type LargestFiles = Readonly<Record<'image' | 'video', number>>;

/** A picture is decoded whole; a video passes through slice by slice. */
export const defaultLargestFiles: LargestFiles = { image: 36_000_000, video: 1_073_741_824 };
