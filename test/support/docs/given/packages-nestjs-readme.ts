export { Test } from '@nestjs/testing'
export declare const WARREN: unique symbol
export { vi } from 'vitest'
export declare class AppModule {}
