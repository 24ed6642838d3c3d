// NestJS, @nestjs/jwt, drizzle and pg as tutorials put them together: bcrypt at cost 10 for the password and again for the refresh
// token that the user's row keeps; every refresh replaces it.
import 'reflect-metadata'
import {
  Body,
  Controller,
  Headers,
  HttpCode,
  Inject,
  Injectable,
  Module,
  Post,
  UnauthorizedException,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { JwtModule, JwtService } from '@nestjs/jwt'
import { compare, hash } from 'bcrypt'
import { and, eq, gt } from 'drizzle-orm'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Pool } from 'pg'

const users = pgTable('users', {
  id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
  email: text('email').notNull().unique(),
  password: text('password').notNull(),
  refreshToken: text('refresh_token'),
  resetToken: text('reset_token').unique(),
  resetExpiresAt: timestamp('reset_expires_at'),
})

const SECRET = process.env['NEST_JWT_SECRET'] ?? ''
const COST = 10
const DATABASE = Symbol('database')

@Injectable()
class AuthService {
  constructor(
    @Inject(DATABASE) private readonly database: NodePgDatabase,
    @Inject(JwtService) private readonly jwt: JwtService,
  ) {}

  async login(email: string, password: string) {
    const [user] = await this.database.select().from(users).where(eq(users.email, email))
    if (!user || !(await compare(password, user.password))) throw new UnauthorizedException()
    return this.issue(user.id, user.email)
  }

  async refresh(refreshToken: string) {
    const { sub } = await this.verify(refreshToken)
    const [user] = await this.database.select().from(users).where(eq(users.id, sub))
    if (!user?.refreshToken || !(await compare(refreshToken, user.refreshToken)))
      throw new UnauthorizedException()
    return this.issue(user.id, user.email)
  }

  async logout(accessToken: string) {
    const { sub } = await this.verify(accessToken)
    await this.database.update(users).set({ refreshToken: null }).where(eq(users.id, sub))
  }

  async reset(token: string, password: string) {
    const current = and(eq(users.resetToken, token), gt(users.resetExpiresAt, new Date()))
    const [user] = await this.database.select().from(users).where(current)
    if (!user) throw new UnauthorizedException()
    const changed = { password: await hash(password, COST), resetToken: null, refreshToken: null }
    await this.database.update(users).set(changed).where(eq(users.id, user.id))
  }

  private async issue(sub: number, email: string) {
    const [accessToken, refreshToken] = await Promise.all([
      this.jwt.signAsync({ sub, email }, { expiresIn: '15m' }),
      this.jwt.signAsync({ sub }, { expiresIn: '7d' }),
    ])
    await this.database
      .update(users)
      .set({ refreshToken: await hash(refreshToken, COST) })
      .where(eq(users.id, sub))
    return { accessToken, refreshToken }
  }

  private async verify(token: string): Promise<{ sub: number }> {
    return this.jwt.verifyAsync(token).catch(() => {
      throw new UnauthorizedException()
    })
  }
}

@Controller('auth')
class AuthController {
  constructor(@Inject(AuthService) private readonly auth: AuthService) {}

  @Post('login')
  @HttpCode(200)
  login(@Body() body: { email: string; password: string }) {
    return this.auth.login(body.email, body.password)
  }

  @Post('refresh')
  @HttpCode(200)
  refresh(@Headers('authorization') authorization: string) {
    return this.auth.refresh(authorization.replace('Bearer ', ''))
  }

  @Post('logout')
  @HttpCode(204)
  logout(@Headers('authorization') authorization: string) {
    return this.auth.logout(authorization.replace('Bearer ', ''))
  }

  @Post('reset')
  @HttpCode(200)
  reset(@Body() body: { token: string; password: string }) {
    return this.auth.reset(body.token, body.password)
  }
}

@Module({
  imports: [JwtModule.register({ secret: SECRET })],
  controllers: [AuthController],
  providers: [
    AuthService,
    {
      provide: DATABASE,
      useFactory: () => drizzle(new Pool({ connectionString: process.env['DATABASE_URL'] })),
    },
  ],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: false })
await app.init()

const handle: (request: IncomingMessage, response: ServerResponse) => void = app
  .getHttpAdapter()
  .getInstance()
export default handle
